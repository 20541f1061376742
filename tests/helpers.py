def one_line(x):
    return True
