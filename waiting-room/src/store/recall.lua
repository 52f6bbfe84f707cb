-- KEYS: room, givers, asking, the key of a join. ARGV: run, epoch, giver.
-- Returns whether the giver may answer with it, and what was remembered, or nothing.
local found = redis.call('GET', KEYS[4])
if not found then return {1, ''} end
if redis.call('SISMEMBER', KEYS[2], ARGV[3]) == 1 then return {1, found} end
-- It becomes one that gave this number, so the leader must know of it first, as at a join.
redis.call('SADD', KEYS[3], ARGV[3])
return {0, found}
