-- KEYS: room, late. ARGV: run, epoch, time (0 takes the numbers out), numbers.
for at = 4, #ARGV do
  if ARGV[3] == '0' then redis.call('ZREM', KEYS[2], ARGV[at])
  else redis.call('ZADD', KEYS[2], 'NX', ARGV[3], ARGV[at]) end
end
return 1
