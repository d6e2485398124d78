// Four words as they are loaded and stored: two integers of 64 bits, where a load is dear and its width is not.
alias Four = vec2<u64>;
