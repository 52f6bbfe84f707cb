-- KEYS: room, live, claimed, late, leaves, void, givers, asking, closed.
-- ARGV: run, epoch, leader, last, mark, phase, first byte, bits of those who count as alive, givers.
-- A leader that has been overtaken must not take the room back to its older epoch.
local epoch = redis.call('HGET', KEYS[1], 'epoch')
if epoch and tonumber(epoch) > tonumber(ARGV[2]) then return 0 end
-- A server that refuses to be written to refuses the first write: nothing has changed then.
local done = redis.pcall('DEL', KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6],
  KEYS[7], KEYS[8], KEYS[9])
if type(done) == 'table' and done.err then return 2 end
redis.call('SETRANGE', KEYS[2], ARGV[7], ARGV[8])
for at = 9, #ARGV do redis.call('SADD', KEYS[7], ARGV[at]) end
redis.call('HSET', KEYS[1],
  'run', ARGV[1], 'epoch', ARGV[2], 'leader', ARGV[3],
  'history', string.match(redis.call('INFO', 'replication'), 'master_replid:(%x+)') or '',
  'last', ARGV[4], 'mark', ARGV[5], 'phase', ARGV[6])
return 1
