-- A leader that has been overtaken changes nothing once its successor has looked here.
local leader = tonumber(redis.call('HGET', KEYS[1], 'leader') or '0')
if leader > tonumber(ARGV[3]) then return false end
if leader < tonumber(ARGV[3]) then redis.call('HSET', KEYS[1], 'leader', ARGV[3]) end
