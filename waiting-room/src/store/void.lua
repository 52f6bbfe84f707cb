-- KEYS: room, claimed, void. ARGV: run, epoch, leader, numbers.
-- From here on they cannot be claimed; returns those that had not been.
local void = {}
for at = 4, #ARGV do
  if redis.call('GETBIT', KEYS[2], ARGV[at]) == 0 then
    redis.call('SETBIT', KEYS[3], ARGV[at], 1)
    void[#void + 1] = tonumber(ARGV[at])
  end
end
return void
