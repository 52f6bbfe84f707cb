-- KEYS: room, live. ARGV: run, epoch, mark, phase, last at least, first byte, bits (may be empty).
local room = redis.call('HMGET', KEYS[1], 'last', 'mark')
if tonumber(room[2]) < tonumber(ARGV[3]) then redis.call('HSET', KEYS[1], 'mark', ARGV[3]) end
if tonumber(room[1]) < tonumber(ARGV[5]) then redis.call('HSET', KEYS[1], 'last', ARGV[5]) end
if #ARGV[7] > 0 then redis.call('SETRANGE', KEYS[2], ARGV[6], ARGV[7]) end
if ARGV[4] ~= '' then redis.call('HSET', KEYS[1], 'phase', ARGV[4]) end
return tonumber(redis.call('HGET', KEYS[1], 'last'))
