-- KEYS: room, bitmap. ARGV: run, epoch, number, value. Returns the bit as it was.
return redis.call('SETBIT', KEYS[2], ARGV[3], ARGV[4])
