-- KEYS: room, late, seen. ARGV: run, epoch, life in ms, time, numbers.
-- Who comes back is there, as who checks in is. See check_in.lua.
local seen = KEYS[3] .. ':' .. (redis.call('HGET', KEYS[1], 'generation') or '0')
for at = 5, #ARGV do
  redis.call('ZADD', KEYS[2], 'NX', ARGV[4], ARGV[at])
  redis.call('SETBIT', seen, ARGV[at], 1)
end
redis.call('PEXPIRE', seen, ARGV[3])
return 1
