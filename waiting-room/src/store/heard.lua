-- KEYS: room, leaves. ARGV: run, epoch, leader, rank of the last leave that it has dealt with.
return redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', ARGV[4])
