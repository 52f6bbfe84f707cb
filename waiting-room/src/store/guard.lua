-- Nothing is read or written unless this is the process that the epoch blessed, with its data. A
-- server that was a replica since, and may have another's data, has another history.
local blessed = redis.call('HMGET', KEYS[1], 'run', 'epoch', 'history')
local history = string.match(redis.call('INFO', 'replication'), 'master_replid:(%x+)') or ''
if blessed[1] ~= ARGV[1] or blessed[2] ~= ARGV[2] or blessed[3] ~= history then return false end
