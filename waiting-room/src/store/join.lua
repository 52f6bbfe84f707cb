-- KEYS: room, live, givers, asking. ARGV: run, epoch, count, giver.
local room = redis.call('HMGET', KEYS[1], 'last', 'mark', 'phase')
local last, mark = tonumber(room[1]), tonumber(room[2])
-- Who gives out numbers is known to the leader first: it asks them when this data is lost. While
-- giving is closed it is asked to raise the mark.
if mark <= last or redis.call('SISMEMBER', KEYS[3], ARGV[4]) == 0 then
  redis.call('SADD', KEYS[4], ARGV[4])
  return {last, 0, room[3]}
end
local count = math.min(tonumber(ARGV[3]), mark - last)
if room[3] == 'closing' then count = 0 end
for number = last + 1, last + count do redis.call('SETBIT', KEYS[2], number, 1) end
if count > 0 then redis.call('HINCRBY', KEYS[1], 'last', count) end
return {last, count, room[3]}
