"""The stage on which demo and end-to-end tests play: stanch installed as shipped, a real frontend, the operator as a process."""
