"""Where podman differs from Docker: why tests are marked `not_on_podman`.

Seen with podman 4.3. The tests in which dockerd itself is ended are not for podman either: its containers do
not depend on the service.
"""

MEMORY = "it does not tell that a container was killed for lack of memory"
CPUS = "it runs a container whose limit is more cores than there are"
FOLDERS = "it makes the folder of the host that is to be mounted and is not there"
