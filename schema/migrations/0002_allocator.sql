-- Checkpoints of shards: a snapshot and the journal position it includes. Derived data: the journal is the truth.
CREATE TABLE checkpoint (
    shard      SMALLINT NOT NULL,
    -- Stream sequence of the last journal batch that the snapshot includes.
    sequence   BIGINT   NOT NULL,
    -- When the journal stream was created: a snapshot of another stream says nothing about this one.
    incarnation_ms BIGINT NOT NULL,
    stored_at_ms BIGINT NOT NULL,
    -- schema::codec::encode_checked of the snapshot; its checksum is verified on reading.
    snapshot   BYTEA    NOT NULL,
    PRIMARY KEY (shard, sequence)
);

-- As it is: to compress tens of megabytes takes seconds of a core, in the midst of a sale.
ALTER TABLE checkpoint ALTER COLUMN snapshot SET STORAGE EXTERNAL;
