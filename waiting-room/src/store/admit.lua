-- KEYS: room, givers, asking. ARGV: run, epoch, leader, whether to admit, givers.
for at = 5, #ARGV do
  redis.call(ARGV[4] == '1' and 'SADD' or 'SREM', KEYS[2], ARGV[at])
  redis.call('SREM', KEYS[3], ARGV[at])
end
return 1
