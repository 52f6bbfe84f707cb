-- KEYS: room, late. ARGV: run, epoch, leader, numbers that wait in the late lane no more.
return redis.call('ZREM', KEYS[2], unpack(ARGV, 4))
