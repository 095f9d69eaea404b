-- Version 3. The gateways whose engines work on the database.

-- A node. It is one no more when its row is gone; its number never comes again.
CREATE TABLE nodes (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    identity text COLLATE "C" NOT NULL UNIQUE,  -- of its data folder
    name text NOT NULL,
    lease_until timestamptz NOT NULL
);

-- The node that holds a job. A node that holds any cannot go.
ALTER TABLE jobs
    ADD COLUMN node bigint REFERENCES nodes (number),
    ADD CONSTRAINT a_node_holds_what_is_claimed CHECK (claimed = (node IS NOT NULL)) NOT VALID;

CREATE INDEX jobs_by_node ON jobs (node) WHERE node IS NOT NULL;
