"""Specs of adversarial networks that several test files use."""

WGAN_GP = """
input  real: float[2]
input  noise: float[4]
input  share: float
output fake: float[2]

net generator(z) { return z -> dense(8) -> tanh -> dense(2) }
net critic(x)    { return x -> dense(8) -> tanh -> dense(1) }

noise -> generator -> fake
between = share * real + (1 - share) * fake

data {
  source = csv("points.csv")
  real   = columns("x0", "x1")
  noise  = normal()
  share  = uniform()
}

train {
  optimizer = adam(lr=1e-3, beta1=0.5)
  steps     = 3
  step critic {
    slope   = gradient(critic(between), between)
    penalty = mean((sqrt(sum(slope ** 2)) - 1) ** 2)
    loss    = critic(fake) - critic(real) + 10 * penalty
    times   = 3
  }
  step generator { loss = -critic(fake) }
}
"""
