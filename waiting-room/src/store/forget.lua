-- KEYS: room, state of the keys, the hashes of a join.
-- ARGV: run, epoch, whether it is a person's, its field, the number that it is remembered with.
local generation = generation_of(KEYS[2], ARGV[3])
local found = remembered(KEYS[3], KEYS[4], ARGV[4], generation)
if found and struct.unpack('>I8', found) == tonumber(ARGV[5]) then
  redis.call('HDEL', KEYS[3], ARGV[4])
  redis.call('HDEL', KEYS[4], ARGV[4])
end
return 1
