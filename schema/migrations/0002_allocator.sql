-- Checkpoints of shards: the state as of one batch of the journal, in parts. Derived data: the journal is the truth.

-- The last checkpoint of each base. Bases share no part.
CREATE TABLE checkpoint (
    shard          SMALLINT NOT NULL,
    -- When the journal stream was created: a state of another stream says nothing about this one.
    incarnation_ms BIGINT   NOT NULL,
    -- Stream sequence of the base's first checkpoint.
    base           BIGINT   NOT NULL,
    -- Stream sequence of the last journal batch that the state includes.
    sequence       BIGINT   NOT NULL,
    stored_at_ms   BIGINT   NOT NULL,
    -- Which parts it consists of. As all contents compressed, with a checksum that is verified on reading.
    head           BYTEA    NOT NULL,
    -- The process that did it last.
    stored_by      TEXT     NOT NULL,
    PRIMARY KEY (shard, incarnation_ms, base)
);

-- What is named by the checkpoint of its base. It is never changed, but replaced by one of another name.
CREATE TABLE checkpoint_part (
    shard          SMALLINT NOT NULL,
    incarnation_ms BIGINT   NOT NULL,
    base           BIGINT   NOT NULL,
    part           TEXT     NOT NULL,
    content        BYTEA    NOT NULL,
    PRIMARY KEY (shard, incarnation_ms, base, part),
    FOREIGN KEY (shard, incarnation_ms, base) REFERENCES checkpoint ON DELETE CASCADE
);

-- Answers that owners have not in memory any more, so that a command repeated within a day hears the same.
CREATE TABLE answer_archive (
    shard          SMALLINT NOT NULL,
    incarnation_ms BIGINT   NOT NULL,
    -- Numbers of its answers, counted from the first of the journal: from the first to before the next.
    first_number   BIGINT   NOT NULL,
    next_number    BIGINT   NOT NULL,
    -- Half of each command's id, and when it was answered.
    ids            BYTEA    NOT NULL,
    answers        BYTEA    NOT NULL,
    PRIMARY KEY (shard, incarnation_ms, first_number)
);

-- They are compressed already.
ALTER TABLE checkpoint ALTER COLUMN head SET STORAGE EXTERNAL;
ALTER TABLE checkpoint_part ALTER COLUMN content SET STORAGE EXTERNAL;
ALTER TABLE answer_archive ALTER COLUMN ids SET STORAGE EXTERNAL;
ALTER TABLE answer_archive ALTER COLUMN answers SET STORAGE EXTERNAL;
