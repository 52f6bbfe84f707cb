-- KEYS: room, givers, asking.
-- ARGV: run, epoch, leader, the last number as the leader saw it, whether nobody's wish counts.
-- From here on nobody gives out a number, until the mark is raised; 0 if somebody wants one now.
if ARGV[5] == '0' and redis.call('EXISTS', KEYS[3]) == 1 then return 0 end
if redis.call('HGET', KEYS[1], 'last') ~= ARGV[4] then return 0 end
redis.call('HSET', KEYS[1], 'mark', ARGV[4])
redis.call('DEL', KEYS[2])
return 1
