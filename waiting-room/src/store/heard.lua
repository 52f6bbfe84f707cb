-- KEYS: room, leaves. ARGV: run, epoch, rank of the last leave that the leader has dealt with.
return redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', ARGV[3])
