-- KEYS: room, givers, asking, state of the keys, the hashes of a join.
-- ARGV: run, epoch, giver, whether it is a person's, its field.
-- Returns whether the giver may answer with it, and what was remembered, or nothing.
local generation = generation_of(KEYS[4], ARGV[4])
local found = remembered(KEYS[5], KEYS[6], ARGV[5], generation)
if not found then return {1, ''} end
if redis.call('SISMEMBER', KEYS[2], ARGV[3]) == 1 then return {1, found} end
-- It becomes one that gave this number, so the leader must know of it first, as at a join.
redis.call('SADD', KEYS[3], ARGV[3])
return {0, found}
