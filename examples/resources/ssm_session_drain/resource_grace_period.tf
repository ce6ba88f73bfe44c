variable "grace_period" {
  type    = string
  default = "10m"
}

# People have ten minutes to finish. If there are more than twenty of them,
# something is wrong with this selection, and nobody is cut off.
resource "ssm_session_drain" "maintenance" {
  targets      = ["i-0123456789abcdef0", "i-0fedcba9876543210"]
  grace_period = var.grace_period
  max_sessions = 20

  # Another value replaces the drain, which drains anew.
  triggers = {
    window = "2026-11-22"
  }

  timeouts {
    create = "15m"
  }
}
