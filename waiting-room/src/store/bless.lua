-- KEYS: room, live, claimed, late, leaves, void, givers, asking.
-- ARGV: run, epoch, last, mark, phase, first byte, bits of those who count as alive, givers.
-- A leader that has been overtaken must not take the room back to its older epoch.
local epoch = redis.call('HGET', KEYS[1], 'epoch')
if epoch and tonumber(epoch) > tonumber(ARGV[2]) then return 0 end
redis.call('DEL', KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6],
  KEYS[7], KEYS[8])
redis.call('SETRANGE', KEYS[2], ARGV[6], ARGV[7])
for at = 8, #ARGV do redis.call('SADD', KEYS[7], ARGV[at]) end
redis.call('HSET', KEYS[1],
  'run', ARGV[1], 'epoch', ARGV[2], 'last', ARGV[3], 'mark', ARGV[4], 'phase', ARGV[5])
return 1
