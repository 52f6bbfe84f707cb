-- What is remembered of a join: its number in 8 bytes, the first letter of a phase, and what its
-- giver says. Of persons it is in one hash. Of requests it is in that of an even or of an odd
-- generation; what such a hash has counts if its field 'g' says this generation or the one before.

-- The generation that new keys go to; none for a person.
local function generation_of(state, is_person)
  if is_person == '1' then return nil end
  return tonumber(redis.call('HGET', state, 'generation') or 1)
end

-- What is remembered under `field`, or false.
local function remembered(even, odd, field, generation)
  if not generation then return redis.call('HGET', even, field) end
  for which = generation, generation - 1, -1 do
    local found = redis.call('HMGET', which % 2 == 0 and even or odd, 'g', field)
    if found[2] and tonumber(found[1]) == which then return found[2] end
  end
  return false
end
