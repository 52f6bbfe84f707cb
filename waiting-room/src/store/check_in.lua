-- KEYS: room, live, seen. ARGV: run, epoch, life in ms, numbers.
for at = 4, #ARGV do
  redis.call('SETBIT', KEYS[2], ARGV[at], 1)
  redis.call('SETBIT', KEYS[3], ARGV[at], 1)
end
redis.call('PEXPIRE', KEYS[3], ARGV[3])
return 1
