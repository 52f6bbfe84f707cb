-- KEYS: room, claimed, void, leaves, closed. ARGV: run, epoch, number.
-- Returns whether it is claimed now. It knows no time: the leader says when it is too late.
if redis.call('GETBIT', KEYS[2], ARGV[3]) == 1 then return 1 end
if redis.call('GETBIT', KEYS[3], ARGV[3]) == 1 then return 0 end
if redis.call('GETBIT', KEYS[5], ARGV[3]) == 1 then return 0 end
if redis.call('ZSCORE', KEYS[4], ARGV[3]) then return 0 end
redis.call('SETBIT', KEYS[2], ARGV[3], 1)
return 1
