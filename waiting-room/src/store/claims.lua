-- KEYS: room, claimed. ARGV: run, epoch, first byte, last byte.
return redis.call('GETRANGE', KEYS[2], ARGV[3], ARGV[4])
