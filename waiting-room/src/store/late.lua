-- KEYS: room, late, seen. ARGV: run, epoch, life in ms, time (0 takes the numbers out), numbers.
-- Who comes back is there, as who checks in is. See check_in.lua.
local seen = KEYS[3] .. ':' .. (redis.call('HGET', KEYS[1], 'generation') or '0')
for at = 5, #ARGV do
  if ARGV[4] == '0' then
    redis.call('ZREM', KEYS[2], ARGV[at])
  else
    redis.call('ZADD', KEYS[2], 'NX', ARGV[4], ARGV[at])
    redis.call('SETBIT', seen, ARGV[at], 1)
  end
end
if ARGV[4] ~= '0' then redis.call('PEXPIRE', seen, ARGV[3]) end
return 1
