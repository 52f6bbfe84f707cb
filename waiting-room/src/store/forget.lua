-- KEYS: room, the key of a join. ARGV: run, epoch, the number that it is remembered with, its field.
local field = ARGV[4]
local found
if field == '' then found = redis.call('GET', KEYS[2]) else found = redis.call('HGET', KEYS[2], field) end
if found and string.match(found, '^%d+ (%d+) ') == ARGV[3] then
  if field == '' then redis.call('DEL', KEYS[2]) else redis.call('HDEL', KEYS[2], field) end
end
return 1
