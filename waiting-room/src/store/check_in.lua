-- KEYS: room, live, seen. ARGV: run, epoch, life in ms, numbers.
-- The set is the one that the leader looks at, whatever the caller has heard of that.
local seen = KEYS[3] .. ':' .. (redis.call('HGET', KEYS[1], 'generation') or '0')
for at = 4, #ARGV do
  redis.call('SETBIT', KEYS[2], ARGV[at], 1)
  redis.call('SETBIT', seen, ARGV[at], 1)
end
redis.call('PEXPIRE', seen, ARGV[3])
return 1
