-- KEYS: room, the key of a join. ARGV: run, epoch, the number that it is remembered with.
local found = redis.call('GET', KEYS[2])
if found and string.match(found, '^%d+ (%d+) ') == ARGV[3] then redis.call('DEL', KEYS[2]) end
return 1
