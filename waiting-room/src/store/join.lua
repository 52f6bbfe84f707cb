-- KEYS: room, live, givers, asking, order of the keys, and the key of each ask that has one.
-- ARGV: run, epoch, count, giver, the least last number, whether a pre-queue is due, life of a key in ms,
-- keys at most, life of a person's place in ms, and of each ask with a key: which of the asks it is, its fingerprint, its time, and its field if it
-- is a person's.
-- Returns: last, count, phase, and what was remembered under each key, or nothing.
local room = redis.call('HMGET', KEYS[1], 'last', 'mark', 'phase')
local last, mark = tonumber(room[1]), tonumber(room[2])
-- Older data than what the giver had its numbers from: they are blessed no more, or only those
-- would know it whose numbers are missing.
if last < tonumber(ARGV[5]) then
  redis.call('HDEL', KEYS[1], 'run')
  return false
end
-- Who gives out numbers is known to the leader first: it asks them when this data is lost. While
-- giving is closed it is asked to raise the mark.
if mark <= last or redis.call('SISMEMBER', KEYS[3], ARGV[4]) == 0 then
  redis.call('SADD', KEYS[4], ARGV[4])
  return {last, 0, room[3], {}}
end
-- Where a pre-queue is due, a number of the line would be ahead of all who are drawn.
local waits = room[3] == 'closing' or (room[3] == 'line' and ARGV[6] == '1')
local free = waits and 0 or mark - last
local kept, repeats = {}, 0
for at = 10, #ARGV, 4 do
  local name, field = KEYS[#kept + 6], ARGV[at + 3]
  local found
  if field == '' then found = redis.call('GET', name) else found = redis.call('HGET', name, field) end
  -- Repeats take no number, so each ask takes the one of its turn among the others.
  local turn = tonumber(ARGV[at]) - repeats
  if found then
    repeats = repeats + 1
  elseif turn <= free then
    local number = string.format('%d', last + turn)
    local join = table.concat({ARGV[2], number, room[3], ARGV[at + 2], ARGV[at + 1]}, ' ')
    if field == '' then
      redis.call('SET', name, join, 'PX', ARGV[7])
      redis.call('RPUSH', KEYS[5], ARGV[2] .. ' ' .. number .. ' ' .. name)
    else
      redis.call('HSET', name, field, join)
      redis.call('PEXPIRE', name, ARGV[9])
    end
  end
  kept[#kept + 1] = found or ''
end
local count = math.min(tonumber(ARGV[3]) - repeats, free)
-- Bit by bit up to a whole byte and behind the last one; those between at once.
local number, to = last + 1, last + count
while number <= to and number % 8 ~= 0 do
  redis.call('SETBIT', KEYS[2], number, 1)
  number = number + 1
end
local whole = math.floor((to + 1 - number) / 8)
if whole > 0 then
  redis.call('SETRANGE', KEYS[2], number / 8, string.rep('\255', whole))
  number = number + whole * 8
end
while number <= to do
  redis.call('SETBIT', KEYS[2], number, 1)
  number = number + 1
end
if count > 0 then redis.call('HINCRBY', KEYS[1], 'last', count) end
if #kept > 0 then
  for _ = 1, redis.call('LLEN', KEYS[5]) - tonumber(ARGV[8]) do
    local place, name = string.match(redis.call('LPOP', KEYS[5]), '^(%d+ %d+) (.+)$')
    -- A key that has expired and was used again belongs to a younger join.
    local found = redis.call('GET', name)
    if found and string.match(found, '^%d+ %d+') == place then redis.call('DEL', name) end
  end
  redis.call('PEXPIRE', KEYS[5], ARGV[7])
end
return {last, count, room[3], kept}
