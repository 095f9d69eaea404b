-- Nodes and their leases, by the database's clock.

-- name: nodes
-- All nodes.
SELECT number, identity, name FROM nodes ORDER BY number;

-- name: lapsed_nodes
-- Nodes whose lease is over, but one.
SELECT number, identity, name FROM nodes
WHERE lease_until < clock_timestamp() AND number <> :besides
ORDER BY number;

-- name: own_node
-- The node of a data folder.
SELECT number FROM nodes WHERE identity = :identity FOR UPDATE;

-- name: insert_node
-- Makes a node.
INSERT INTO nodes (identity, name, lease_until)
VALUES (:identity, :name, clock_timestamp() + :lease_seconds * interval '1 second')
RETURNING number;

-- name: hand_over
-- Gives all that a node holds to another one.
UPDATE jobs SET node = :to_node WHERE node = :from_node;

-- name: renew_node
-- Holds a lease for some time from now on; no row when the node is one no more.
UPDATE nodes SET lease_until = clock_timestamp() + :lease_seconds * interval '1 second' WHERE number = :number;

-- name: node
-- A node, which stays one until the end of the transaction.
SELECT number FROM nodes WHERE number = :number FOR KEY SHARE;

-- name: rename_node
-- Makes room for another node of the same data folder.
UPDATE nodes SET identity = identity || '/' || number WHERE number = :number;

-- name: remove_node
-- Makes a node one no more.
DELETE FROM nodes WHERE number = :number;

-- name: tell
-- Tells all gateways something, at once.
SELECT pg_notify('jobs_gateway', :message);

-- name: forget_answers
-- Removes answers that nobody has fetched.
DELETE FROM answers WHERE at < clock_timestamp() - interval '1 minute';

-- name: insert_answer
-- Puts an answer down, if nobody has answered before.
INSERT INTO answers (question, at, content)
VALUES (:question, clock_timestamp(), :content)
ON CONFLICT DO NOTHING;

-- name: fetch_answer
-- Takes an answer away.
DELETE FROM answers WHERE question = :question RETURNING content;
