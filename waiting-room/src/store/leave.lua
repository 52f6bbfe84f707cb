-- KEYS: room, live, late, claimed, leaves. ARGV: run, epoch, number, phase (may be empty: any).
-- Returns 1, or 2 if the place was claimed: nothing changes then. 0 while the numbers are being
-- drawn: nobody can say then whose bit this is.
local phase = redis.call('HGET', KEYS[1], 'phase')
if phase == 'closing' or (ARGV[4] ~= '' and ARGV[4] ~= phase) then return 0 end
if redis.call('GETBIT', KEYS[4], ARGV[3]) == 1 then return 2 end
redis.call('SETBIT', KEYS[2], ARGV[3], 0)
redis.call('ZREM', KEYS[3], ARGV[3])
if ARGV[4] == '' then
  redis.call('ZADD', KEYS[5], redis.call('HINCRBY', KEYS[1], 'leaves', 1), ARGV[3])
end
return 1
