-- KEYS: room, live, givers, asking, state of the keys, and the two hashes of each ask with a key.
-- ARGV: run, epoch, count, giver, the least last number, whether a pre-queue is due, life of a key
-- in ms, keys of a generation, life of a person's place in ms in a line and in a pre-queue, and of
-- each ask with a key: which of the asks it is, whether it is a person's, its field, and what else is to be remembered of it.
-- Returns: last, count, phase, and what was remembered under each key, or nothing.

-- Remembers a request's join in the hash of its generation, which begins it anew if it has what
-- is older. The hash is there for two lives: its generation ends after one.
local function keep(name, field, join, generation, life)
  if tonumber(redis.call('HGET', name, 'g')) ~= generation then
    redis.call('DEL', name)
    redis.call('HSET', name, 'g', generation, field, join)
    redis.call('PEXPIRE', name, 2 * life)
  else
    redis.call('HSET', name, field, join)
  end
end

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
local life, kept, repeats = tonumber(ARGV[7]), {}, 0
local generation, key_count, since, now
if #ARGV > 10 then
  local keys = redis.call('HMGET', KEYS[5], 'generation', 'count', 'since')
  now = tonumber(redis.call('TIME')[1]) * 1000
  generation, key_count = tonumber(keys[1] or 1), tonumber(keys[2] or 0)
  since = tonumber(keys[3] or now)
  if key_count >= tonumber(ARGV[8]) or now - since >= life then
    generation, key_count, since = generation + 1, 0, now
  end
end
local person_life = room[3] == 'line' and ARGV[9] or ARGV[10]
for at = 11, #ARGV, 4 do
  local even, odd = KEYS[#kept * 2 + 6], KEYS[#kept * 2 + 7]
  local field, is_request = ARGV[at + 2], ARGV[at + 1] == '0'
  local found = remembered(even, odd, field, is_request and generation)
  -- Repeats take no number, so each ask takes the one of its turn among the others.
  local turn = tonumber(ARGV[at]) - repeats
  if found then
    repeats = repeats + 1
    if not is_request then redis.call('PEXPIRE', even, person_life) end
  elseif turn <= free then
    local join = struct.pack('>I8', last + turn) .. string.sub(room[3], 1, 1) .. ARGV[at + 3]
    if is_request then
      keep(generation % 2 == 0 and even or odd, field, join, generation, life)
      key_count = key_count + 1
    else
      redis.call('HSET', even, field, join)
      redis.call('PEXPIRE', even, person_life)
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
if generation then
  redis.call('HSET', KEYS[5], 'generation', generation, 'count', key_count, 'since', since)
  redis.call('PEXPIRE', KEYS[5], 2 * life)
end
return {last, count, room[3], kept}
