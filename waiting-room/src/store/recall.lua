-- KEYS: room, givers, asking, the key of a join. ARGV: run, epoch, giver, the field of the join.
-- Returns whether the giver may answer with it, and what was remembered, or nothing.
local found
if ARGV[4] == '' then found = redis.call('GET', KEYS[4])
else found = redis.call('HGET', KEYS[4], ARGV[4]) end
if not found then return {1, ''} end
if redis.call('SISMEMBER', KEYS[2], ARGV[3]) == 1 then return {1, found} end
-- It becomes one that gave this number, so the leader must know of it first, as at a join.
redis.call('SADD', KEYS[3], ARGV[3])
return {0, found}
