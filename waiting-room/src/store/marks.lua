-- KEYS: room, claimed, void, leaves. ARGV: run, epoch, number. Returns: claimed, left.
local left = redis.call('GETBIT', KEYS[3], ARGV[3])
if redis.call('ZSCORE', KEYS[4], ARGV[3]) then left = 1 end
return {redis.call('GETBIT', KEYS[2], ARGV[3]), left}
