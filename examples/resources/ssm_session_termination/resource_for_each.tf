variable "sessions" {
  description = "Sessions to end, each with its Region."
  type        = map(string)

  default = {
    "Mary-Major-07a16060613c408b5"        = "us-east-1"
    "Shirley-Rodriguez-0e8b5d1a7f3c24960" = "eu-central-1"
  }
}

resource "ssm_session_termination" "revoked" {
  for_each = var.sessions

  session_id = each.key
  region     = each.value

  # Do not fail if a session ended more than 30 days ago.
  if_not_found = "succeed"

  timeouts {
    create = "5m"
  }
}

output "outcomes" {
  value = { for id, termination in ssm_session_termination.revoked : id => termination.outcome }
}
