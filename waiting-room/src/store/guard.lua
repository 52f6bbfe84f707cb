-- Nothing is read or written unless this is the process that the epoch blessed, with its data.
local blessed = redis.call('HMGET', KEYS[1], 'run', 'epoch')
if blessed[1] ~= ARGV[1] or blessed[2] ~= ARGV[2] then return false end
