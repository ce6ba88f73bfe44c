variable "enforce" {
  description = "Whether to end the sessions that break the policy. The default only reports them."
  type        = bool
  default     = false
  nullable    = false
}

variable "region" {
  description = "AWS Region of the sessions. The default is the provider's Region."
  type        = string
  default     = null
}

variable "max_age" {
  description = "Maximum age of a session, as a duration such as \"8h\". Null means no limit."
  type        = string
  default     = null
}

variable "forbidden_owners" {
  description = "Owners who must not have sessions, as ARNs. * matches any run of characters."
  type        = set(string)
  default     = []
  nullable    = false
}

variable "forbidden_nodes" {
  description = "IDs of nodes that must not have sessions."
  type        = set(string)
  default     = []
  nullable    = false
}

variable "max_per_owner" {
  description = "Maximum number of live sessions per owner in the Region. If an owner has more, the oldest ones break the policy. Null means no limit."
  type        = number
  default     = null

  validation {
    condition     = var.max_per_owner == null ? true : var.max_per_owner >= 0 && floor(var.max_per_owner) == var.max_per_owner
    error_message = "max_per_owner must be a whole number of at least 0."
  }
}

variable "exempt_owners" {
  description = "Owners who are exempt from the policy. Unless this set is empty, sessions without an owner are exempt too."
  type        = set(string)
  default     = ["arn:*:sts::*:assumed-role/BreakGlass/*"]
  nullable    = false
}

variable "max_ended" {
  description = "Maximum number of sessions to end. If more sessions break the policy, the plan fails and no session is ended. A drain also checks this limit when it runs."
  type        = number
  default     = 50
  nullable    = false

  validation {
    condition     = var.max_ended >= 1 && floor(var.max_ended) == var.max_ended
    error_message = "max_ended must be a whole number of at least 1."
  }
}
