"""The work that is measured, one module to a workload; none of them knows a tool.

The parent process imports these to know what there is, a worker imports them
to do it. So they import nothing but the standard library at the top.
"""
