"""Training processes that outlive whoever starts them: queued, watched, stopped, resumed."""

from core.jobs.control import log_tail, request_stop, stop_now
from core.jobs.start import PROJECT, TrainingJob, can_resume, lacks_evaluation, new_run_name, resume_training, start_training

__all__ = [
    "PROJECT", "TrainingJob", "can_resume", "lacks_evaluation", "log_tail", "new_run_name", "request_stop", "resume_training",
    "start_training", "stop_now",
]  # fmt: skip
