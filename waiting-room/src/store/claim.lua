-- KEYS: room, claimed, void, leaves. ARGV: run, epoch, number. Returns whether it is claimed now.
if redis.call('GETBIT', KEYS[2], ARGV[3]) == 1 then return 1 end
if redis.call('GETBIT', KEYS[3], ARGV[3]) == 1 then return 0 end
if redis.call('ZSCORE', KEYS[4], ARGV[3]) then return 0 end
redis.call('SETBIT', KEYS[2], ARGV[3], 1)
return 1
