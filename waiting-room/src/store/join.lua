-- KEYS: room, live. ARGV: run, epoch, count.
local room = redis.call('HMGET', KEYS[1], 'last', 'mark', 'phase')
local last = tonumber(room[1])
local count = math.min(tonumber(ARGV[3]), tonumber(room[2]) - last)
if room[3] == 'closing' then count = 0 end
for number = last + 1, last + count do redis.call('SETBIT', KEYS[2], number, 1) end
if count > 0 then redis.call('HINCRBY', KEYS[1], 'last', count) end
return {last, count, room[3]}
