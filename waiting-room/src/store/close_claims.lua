-- KEYS: room, closed. ARGV: run, epoch, leader, first and last number of each stretch.
-- From here on they cannot be claimed, but for those that were.
for at = 4, #ARGV, 2 do
  for number = tonumber(ARGV[at]), tonumber(ARGV[at + 1]) do
    redis.call('SETBIT', KEYS[2], number, 1)
  end
end
return 1
