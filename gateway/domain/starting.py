"""startJob and rerunJob."""
from gateway.domain.call import Call
from gateway.domain.house import House
from gateway.domain.job import Job, JobStart
from gateway.domain.record import Stored


async def start_job(house: House, call: Call, *, job: JobStart) -> Stored[Job]:
    """Start."""
    raise NotImplementedError


async def rerun_job(house: House, call: Call, *, job_id: str) -> Stored[Job]:
    """Rerun."""
    raise NotImplementedError
