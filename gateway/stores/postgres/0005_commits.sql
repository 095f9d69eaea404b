-- The latest commit of each writer, a thread of a gateway. It is stored by that commit, so it tells whether one
-- whose answer was lost was made. Transaction numbers do not: a crash that loses one gives its number to another.
CREATE TABLE commits (
    writer text COLLATE "C" PRIMARY KEY,
    number bigint NOT NULL,
    at timestamptz NOT NULL
) WITH (fillfactor = 50);
