-- KEYS: room, persons. ARGV: run, epoch, life of a person's place in ms, field, whose it is.
-- Returns 1 if it has become theirs, 2 if it was, 0 if it is another's.
local found = redis.call('HGET', KEYS[2], ARGV[4])
if not found then redis.call('HSET', KEYS[2], ARGV[4], ARGV[5]) end
redis.call('PEXPIRE', KEYS[2], ARGV[3])
if not found then return 1 end
return found == ARGV[5] and 2 or 0
