-- KEYS: room, givers, asking. ARGV: run, epoch, whether to admit, givers.
for at = 4, #ARGV do
  redis.call(ARGV[3] == '1' and 'SADD' or 'SREM', KEYS[2], ARGV[at])
  redis.call('SREM', KEYS[3], ARGV[at])
end
return 1
