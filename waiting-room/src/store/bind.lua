-- KEYS: room, persons.
-- ARGV: run, epoch, life of a person's place in ms in a line and in a pre-queue, field, whose it is.
-- Returns 1 if it has become theirs, 2 if it was, 0 if it is another's.
local found = redis.call('HGET', KEYS[2], ARGV[5])
if not found then redis.call('HSET', KEYS[2], ARGV[5], ARGV[6]) end
local is_line = redis.call('HGET', KEYS[1], 'phase') == 'line'
redis.call('PEXPIRE', KEYS[2], is_line and ARGV[3] or ARGV[4])
if not found then return 1 end
return found == ARGV[6] and 2 or 0
