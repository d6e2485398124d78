// Four words as they are loaded and stored.
alias Four = vec4<u32>;
